import Database from 'better-sqlite3';

/**
 * How a statement fails. `full` and `error` leave the transaction open; with `fullRolledBack`, SQLite has rolled it back,
 * as it does when it cannot write its log. `death` ends the process before the statement.
 */
export const FAILURES = ['full', 'fullRolledBack', 'error', 'death'] as const;
export type Failure = (typeof FAILURES)[number];

/** Thrown by every statement of a process that is dead. */
export class ProcessDeath extends Error {}

interface Statement {
  source: string;
  readonly: boolean;
  database: Database.Database;
}
type Method = (this: Statement, ...args: unknown[]) => unknown;

const METHODS = ['run', 'get', 'all', 'iterate'] as const;

/** A rollback always succeeds, and the release of a nested savepoint writes nothing. */
const NEVER_FAILS = /^\s*(ROLLBACK|RELEASE)/i;
/** Statements that write, and so fail on a full disk. */
const MAY_BE_FULL = /^\s*(INSERT|UPDATE|DELETE|COMMIT|CREATE)/i;

export type SimulatedStorage = ReturnType<typeof installSimulatedStorage>;

/** Patches better-sqlite3 to count statements and to make one of them fail. Must be called once per process. */
export function installSimulatedStorage() {
  let observed: Database.Database | undefined;
  let count = 0;
  let armed: { at: number; failure: Failure; onDeath: () => void } | undefined;
  let fired: string | undefined;
  let isDead = false;
  let losesCommits = false;

  /** Counts a statement. @throws the armed failure when it is this statement's turn */
  function beforeStatement(database: Database.Database, source: string): void {
    if (database !== observed) return;
    if (isDead) throw new ProcessDeath('the process is dead');
    count += 1;
    if (!armed || count < armed.at) return;
    const { failure, onDeath } = armed;
    if (failure === 'death') {
      armed = undefined;
      fired = source;
      isDead = true;
      onDeath();
      throw new ProcessDeath('the process died');
    }
    if (NEVER_FAILS.test(source)) return;
    if (failure !== 'error' && !MAY_BE_FULL.test(source)) return;
    armed = undefined;
    fired = source;
    if (failure === 'error') throw new Database.SqliteError('disk I/O error', 'SQLITE_IOERR_WRITE');
    if (failure === 'fullRolledBack' && database.inTransaction) {
      quietly(() => database.exec('ROLLBACK'));
    }
    throw new Database.SqliteError('database or disk is full', 'SQLITE_FULL');
  }

  /** Runs statements of the simulation itself, which neither count nor fail. */
  function quietly<T>(work: () => T): T {
    const wasObserved = observed;
    observed = undefined;
    try {
      return work();
    } finally {
      observed = wasObserved;
    }
  }

  const statementPrototype = Object.getPrototypeOf(new Database(':memory:').prepare('SELECT 1')) as Record<
    string,
    Method
  >;
  for (const name of METHODS) {
    const original = statementPrototype[name] as Method;
    statementPrototype[name] = function (this: Statement, ...args) {
      beforeStatement(this.database, this.source);
      if (losesCommits && this.database === observed && this.source === 'COMMIT' && count % 7 === 0) {
        return quietly(() => this.database.exec('ROLLBACK'));
      }
      return original.apply(this, args);
    };
  }
  const { exec } = Database.prototype;
  Database.prototype.exec = function (source) {
    beforeStatement(this, source);
    return exec.call(this, source);
  };

  return {
    quietly,
    /** Counts the statements of this database from now on. */
    observe(database: Database.Database | undefined): void {
      observed = database;
      isDead = false;
      armed = undefined;
      fired = undefined;
    },
    /** Makes some commits do nothing: a bug that the checks must find. */
    loseCommits(isOn: boolean): void {
      losesCommits = isOn;
    },
    /** Makes a statement fail: the `after`-th from now, or the first one after it that can fail in this way. */
    arm(after: number, failure: Failure, onDeath: () => void): void {
      armed = { at: count + after, failure, onDeath };
      fired = undefined;
    },
    /** Returns the statement that failed since the last call; undefined when none did. */
    takeFired(): string | undefined {
      const source = fired;
      fired = undefined;
      return source;
    },
    disarm(): void {
      armed = undefined;
    },
    /** Lets no statement fail until the returned function is called. */
    pause(): () => void {
      const paused = armed;
      armed = undefined;
      return () => {
        armed = paused;
      };
    },
    isDead: (): boolean => isDead,
    /** Number of statements so far. */
    count: (): number => count,
  };
}
