import type { World } from './emulator/world.ts';
import { toEventText } from './model/model.ts';

/** Receives the events of tasks and ledgers, by key. */
export function createEventLog(world: World, line: (text: string) => void) {
  const events = new Map<string, string[]>();
  return {
    of: (key: string): readonly string[] => events.get(key) ?? [],
    clear: (): void => events.clear(),
    collect(): void {
      for (const block of world.takeEvents().split('\n\n')) {
        const type = /^event: (.*)$/m.exec(block)?.[1];
        if (type !== 'task' && type !== 'ledger') continue;
        const { key, ...data } = JSON.parse(/^data: (.*)$/m.exec(block)![1]!);
        line(`event ${key} ${JSON.stringify(data)}`);
        const list = events.get(key) ?? [];
        events.set(key, list);
        list.push(toEventText(data));
      }
    },
  };
}
