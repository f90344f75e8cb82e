const TASKS = [
  'test/core/{ledger,time,tasks}/*.test.ts',
  'test/core/storage/transactions.test.ts',
  'test/core/restart.test.ts',
];
const TIME_AND_MONEY = [...TASKS, 'test/control-plane/control.test.ts'];
const JOURNAL = [
  'test/http/{journal,journal-entry,redaction}.test.ts',
  'test/control-plane/{activity,admin,journal}.test.ts',
];

/** The tests that guard each part of the mutated code. With all others, a run would take days. */
const AREAS = {
  'src/core/ledger/': TIME_AND_MONEY,
  'src/core/tasks/': TASKS,
  'src/core/time/rate-limiter.ts': [
    ...TIME_AND_MONEY,
    'test/core/accounts/account-export.test.ts',
    'test/control-plane/rollback.test.ts',
  ],
  'src/core/time/': TIME_AND_MONEY,
  'src/core/storage/bulk-insert.ts': ['test/core/storage/bulk-insert.test.ts'],
  'src/core/storage/transactions.ts': [...TIME_AND_MONEY, 'test/control-plane/rollback.test.ts'],
  'src/core/accounts/': ['test/core/accounts/*.test.ts'],
  'src/core/json.ts': ['test/core/json.test.ts'],
  'src/core/storage/recent-cache.ts': ['test/core/storage/recent-cache.test.ts'],
  'src/core/storage/storage-memory.ts': ['test/core/storage/storage-memory.test.ts'],
  'src/core/faults/': ['test/core/faults/*.test.ts'],
  'src/core/': ['test/core/**/*.test.ts', 'test/control-plane/control.test.ts'],
  'src/http/journal/entry.ts': ['test/http/journal-entry.test.ts'],
  'src/http/journal/': JOURNAL,
  'src/http/pipeline/rate-limit.ts': [
    'test/http/pipeline/{common-rules,request-log}.test.ts',
    'test/http/faults/faults.test.ts',
  ],
  'src/control-plane/client-lint/': ['test/control-plane/verdict.test.ts'],
  'src/uploads/base64.ts': ['test/uploads/base64.test.ts'],
  'src/uploads/streaming-json-parser.ts': ['test/uploads/streaming-json-parser.test.ts'],
  'src/uploads/mp4-boxes.ts': ['test/uploads/mp4-boxes.test.ts'],
  'src/uploads/mp4-fragments.ts': ['test/uploads/mp4-fragments.test.ts'],
  'src/uploads/upload.ts': ['test/families/reverse-prompt.test.ts'],
  'src/uploads/': ['test/uploads/{mp4,mp4-hostile}.test.ts'],
};

export const MUTATED = Object.keys(AREAS).map((path) => (path.endsWith('/') ? `${path}**/*.ts` : path));

export const ALL_TESTS = [...new Set(Object.values(AREAS).flat())];

/** The files that the arguments of the command line name with `--mutate`, without line ranges. */
export const findMutated = (args) =>
  args
    .flatMap((arg) => arg.split(','))
    .map((file) => file.replace(/:[\d:-]+$/, ''))
    .filter((file) => file.startsWith('src/'));

/** Returns the tests of some mutated files; all tests without such a file. */
export function testsFor(files) {
  if (files.length === 0) return ALL_TESTS;
  const areas = files.map((file) => Object.keys(AREAS).find((path) => file.startsWith(path)));
  return [...new Set(areas.flatMap((area) => AREAS[area] ?? []))];
}
