import { type PricesLike, type PriceTable, reprice } from '../core/prices.ts';
import type { App, Emulator } from './context.ts';

/** One API of the vendor, as the rest of the emulator knows it: a name, what it costs, and its routes. */
export interface Family {
  name: string;
  /** The vendor's prices. */
  prices: PriceTable;
  register(app: App, emulator: Emulator): void;
}

/** `routes` is given the prices in force: the vendor's, with the seed file's over them. */
export function family<const Prices extends PriceTable>(
  name: string,
  prices: Prices,
  routes: (app: App, emulator: Emulator, prices: PricesLike<Prices>) => void,
): Family {
  return {
    name,
    prices,
    register: (app, emulator) =>
      routes(app, emulator, reprice(prices, emulator.settings.priceChanges[name]) as PricesLike<Prices>),
  };
}
