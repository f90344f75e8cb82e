import type { ModelAccount } from './model/model.ts';
import { findRowDifference, findViolations } from './model/rows.ts';
import { toAccountBody } from './operations/control-request.ts';
import type { Operation } from './operations/operation.ts';
import type { SimulationContext } from './simulation.ts';

interface CheckDeps {
  /** Returns the events of a key that were received. */
  getEvents: (key: string) => readonly string[];
  send: (operation: Operation) => Promise<void>;
  collect: () => Promise<void>;
}

/** Reads everything that the control plane shows of the accounts and compares it, and the rows, with the model. */
export async function checkEverything(context: SimulationContext, deps: CheckDeps): Promise<void> {
  const { world, model, line, find } = context;
  const accounts = [...model.accounts.values()];
  for (const operation of [...accounts.flatMap((account) => readsOf(context, account)), readMetrics(context)]) {
    await deps.send(operation);
  }
  await world.settle();
  await deps.collect();
  for (const [key, { list, areKnown }] of model.events) {
    const actual = deps.getEvents(key);
    const index = list.findIndex((text, index) => text !== actual[index]);
    if (!areKnown || (index === -1 && actual.length === list.length)) continue;
    const at = index === -1 ? list.length : index;
    find(`event ${at + 1} of ${key} is "${actual[at]}" instead of "${list[at]}"`);
  }
  for (const key of model.accounts.keys()) {
    const difference = findRowDifference(world.rows, model, key);
    if (difference) find(difference);
  }
  for (const violation of findViolations(world.rows)) find(violation);
  for (const row of world.rows.all('SELECT * FROM ledger_entries ORDER BY account_id, seq')) line(JSON.stringify(row));
  for (const row of world.rows.all('SELECT * FROM tasks ORDER BY account_id, seq')) line(JSON.stringify(row));
}

function readsOf(context: SimulationContext, { key }: ModelAccount): Operation[] {
  const { model } = context;
  const path = `/__admin/accounts/${key}`;
  const read = (suffix: string, body: () => object | undefined): Operation => ({
    ...{ method: 'GET', path: path + suffix, touches: [] },
    apply() {
      model.catchUp(model.accounts.get(key)!);
      const expected = body();
      return { status: 200, ...(expected ? { body: expected } : {}) };
    },
  });
  return [
    read('', () => toAccountBody(context, model.accounts.get(key)!)),
    read('/ledger/verify', () => ({ ok: true })),
    read('/requests?limit=1000', () => {
      const { journal } = model.accounts.get(key)!;
      return journal && { requests: journal.map(({ at, ...entry }) => ({ ...entry, at: new Date(at).toISOString() })) };
    }),
    read('/tasks?limit=1000', () => ({
      tasks: model.accounts.get(key)!.state.tasks.map(({ id, status, price, family, simulatedMs }) => ({
        ...{ id, status, price, family, simulatedMs },
      })),
    })),
  ];
}

function readMetrics({ world }: SimulationContext): Operation {
  const count = (status: string) =>
    world.rows.all(
      `SELECT count(*) AS count FROM tasks JOIN accounts ON accounts.id = account_id
       WHERE snapshot_of IS NULL AND status = ?`,
      status,
    )[0].count;
  return {
    ...{ method: 'GET', path: '/metrics', touches: [] },
    apply: () => ({
      status: 200,
      check({ text }) {
        for (const status of ['processing', 'completed', 'failed']) {
          const pattern = new RegExp(`^nanophoto_tasks\\{.*status="${status}".*\\} (\\d+)$`, 'gm');
          const sum = [...text.matchAll(pattern)].reduce((total, [, value]) => total + Number(value), 0);
          if (sum !== count(status)) return `${sum} instead of ${count(status)} tasks are ${status}`;
        }
        return undefined;
      },
    }),
  };
}
