import { applyPriceOverrides, type PriceTable, type SameShape } from '../core/ledger/prices.ts';
import type { Task } from '../core/tasks/task.ts';
import type { App, HttpContext } from './context.ts';
import { registerErrorCodes } from './pipeline/error-table.ts';
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
  clientIds: (task: Task) => Readonly<Record<string, string>>;
  register(app: App, context: HttpContext): void;
}

interface FamilyDefinition<Prices extends PriceTable>
  extends Pick<Family, 'name' | 'title'>,
    Partial<Pick<Family, 'files' | 'clientIds'>> {
  prices: Prices;
  /** Is given the prices in force: the vendor's, with the seed file's over them. */
  registerRoutes: (app: App, context: HttpContext, prices: SameShape<Prices>) => void;
}

const NO_FILES: ResultFiles = {};
const noClientIds = () => ({});

export function defineFamily<const Prices extends PriceTable>(definition: FamilyDefinition<Prices>): Family {
  const { name, title, prices, files = NO_FILES, clientIds = noClientIds, registerRoutes } = definition;
  return {
    ...{ name, title, prices, files, clientIds },
    register: (app, context) =>
      void app.register(async (scope) => {
        scope.addHook('onRoute', (route) => {
          route.config = { ...route.config, family: name };
          registerErrorCodes(route.config.errors);
        });
        const effectivePrices = applyPriceOverrides(prices, context.settings.priceOverrides[name]);
        registerRoutes(scope as unknown as App, context, effectivePrices as SameShape<Prices>);
      }),
  };
}
