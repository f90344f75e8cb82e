import { type PricesLike, type PriceTable, reprice } from '../core/ledger/prices.ts';
import type { Task } from '../core/tasks/task.ts';
import type { App, Emulator } from './context.ts';
import { document } from './pipeline/errors.ts';
import type { ResultFiles } from './results/result-file.ts';

/** One API of the vendor, as the rest of the emulator knows it. */
export interface Family {
  name: string;
  /** For people. */
  title: string;
  /** The vendor's prices. */
  prices: PriceTable;
  /** The files of a completed task. */
  files: ResultFiles;
  /** What clients call a task beside its id. */
  names: (task: Task) => Readonly<Record<string, string>>;
  register(app: App, emulator: Emulator): void;
}

interface Parts<Prices extends PriceTable>
  extends Pick<Family, 'name' | 'title'>,
    Partial<Pick<Family, 'files' | 'names'>> {
  prices: Prices;
  /** Is given the prices in force: the vendor's, with the seed file's over them. */
  routes: (app: App, emulator: Emulator, prices: PricesLike<Prices>) => void;
}

const NO_FILES: ResultFiles = {};
const noNames = () => ({});

export function family<const Prices extends PriceTable>(parts: Parts<Prices>): Family {
  const { name, title, prices, files = NO_FILES, names = noNames, routes } = parts;
  return {
    ...{ name, title, prices, files, names },
    register: (app, emulator) =>
      void app.register(async (context) => {
        context.addHook('onRoute', (route) => {
          route.config = { ...route.config, family: name };
          document(route.config.problems);
        });
        const inForce = reprice(prices, emulator.settings.priceChanges[name]);
        routes(context as unknown as App, emulator, inForce as PricesLike<Prices>);
      }),
  };
}
