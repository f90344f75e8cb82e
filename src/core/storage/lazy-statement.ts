import type { Statement } from 'better-sqlite3';

/**
 * A statement that SQLite compiles on first use. Most tests use only a few of the emulator's eighty statements, and
 * compiling all of them takes longer than creating the schema. It has only those methods of better-sqlite3's statements
 * that are used here.
 */
export class LazyStatement {
  readonly #compile: () => Statement;
  #compiled: Statement | undefined;

  constructor(compile: () => Statement) {
    this.#compile = compile;
  }

  get #statement(): Statement {
    this.#compiled ??= this.#compile();
    return this.#compiled;
  }

  run(...params: unknown[]) {
    return this.#statement.run(...params);
  }

  get(...params: unknown[]) {
    return this.#statement.get(...params);
  }

  all(...params: unknown[]) {
    return this.#statement.all(...params);
  }

  iterate(...params: unknown[]) {
    return this.#statement.iterate(...params);
  }

  pluck(): LazyStatement {
    return new LazyStatement(() => this.#statement.pluck());
  }

  raw(): LazyStatement {
    return new LazyStatement(() => this.#statement.raw());
  }
}
