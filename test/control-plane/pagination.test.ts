import { describe, expect, it } from 'vitest';
import { paginate } from '../../src/control-plane/pagination.ts';
import { buildOrder } from '../support/core.ts';
import { createTestEmulator } from '../support/emulator.ts';

const MB = 1024 * 1024;

describe('pages of a list', () => {
  const getPage = (lengths: number[], limit: number) =>
    paginate(lengths, limit, String, (length) => 'x'.repeat(length));

  it('have at most the requested number of items', async () => {
    const page = await getPage([1, 2, 3], 2);
    expect(page).toEqual({ items: ['x', 'xx'], next: '2' });
    expect(await getPage([1, 2], 2)).toMatchObject({ next: null });
    expect(await getPage([], 2)).toEqual({ items: [], next: null });
  });

  it('end with the item that exceeds 4 MB', async () => {
    expect((await getPage([3 * MB, 2 * MB, 1], 1000)).items).toHaveLength(2);
    expect(await getPage([3 * MB, 2 * MB, 1], 1000)).toMatchObject({ next: String(2 * MB) });
    expect((await getPage([9 * MB, 1], 1000)).items).toHaveLength(1);
    expect(await getPage([1, 9 * MB], 1000)).toMatchObject({ next: null });
  });

  it('let other requests have their turn while they are formatted', async () => {
    let turns = 0;
    const clock = {
      atTurnEnd(work: () => void) {
        turns += 1;
        work();
      },
    } as never;
    await paginate(Array.from({ length: 10 }), 10, String, () => 'x'.repeat(100_000), { clock });
    expect(turns).toBe(5);
  });

  // id: lists-bounded-by-bytes
  it('contain all tasks and fault rules together, however large these are', async () => {
    const { core, createAccount, get } = await createTestEmulator();
    const { id } = createAccount('np_large', { credits: 1000 });
    const prompt = 'x'.repeat(MB);
    const taskIds = Array.from({ length: 6 }, () => core.tasks.submit(id, [buildOrder({ input: { prompt } })])[0]!.id);
    const answer = { status: 200, body: prompt };
    const faultIds = Array.from({ length: 6 }, () =>
      String(core.faults.add(id, { match: {}, at: 'request', effect: { answer } }).id),
    );
    const listIds = async (name: string) => {
      const pages: string[][] = [];
      for (let after = ''; ; ) {
        const { body } = await get(`/__admin/accounts/np_large/${name}?limit=1000${after && `&after=${after}`}`);
        pages.push(body[name].map((item: { id: string }) => item.id));
        if (body.next === null) return pages;
        after = body.next;
      }
    };
    expect(await listIds('tasks')).toEqual([taskIds.slice(0, 4), taskIds.slice(4)]);
    expect(await listIds('faults')).toEqual([faultIds.slice(0, 4), faultIds.slice(4)]);
  });
});
