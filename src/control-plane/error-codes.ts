import { EmulatorError } from '../core/errors.ts';

/** An error whose message comes from the layer that throws it: its status and a sample message. */
const external = (status: number, example: string) => ({ status, example });

/** An error that the control plane throws. `exampleArgs` produce the sample message of the OpenAPI document. */
const own = <Args extends (string | number)[]>(
  status: number,
  message: (...args: Args) => string,
  ...exampleArgs: NoInfer<Args>
) => ({
  status,
  message,
  example: message(...exampleArgs),
});

/** An error whose message depends on where it is thrown. */
const withReason = (status: number, example: string) => own(status, (reason: string) => reason, example);

/** All error codes of the control plane. */
export const ADMIN_ERRORS = {
  INVALID_INPUT: own(
    400,
    (field: string, reason: string) => `Invalid parameter ${field}: ${reason}.`,
    'speed',
    'expected a number from 0.000001 to 1000000',
  ),
  BODY_NOT_JSON: external(400, 'The body is not valid JSON.'),
  MALFORMED_REQUEST: external(400, 'The Host header is missing.'),
  ADMIN_TOKEN_REQUIRED: own(
    401,
    () =>
      'Send the admin token, set by --admin-token or printed at the start, as "Authorization: Bearer …" or ' +
      '"x-admin-token: …".',
  ),
  LOOPBACK_ONLY: own(
    403,
    () =>
      'Without an admin token, only clients on this machine may call the control plane: set --admin-token or ' +
      '--admin-remote on.',
  ),
  FOREIGN_HOST: own(
    403,
    (hostname: string) =>
      `Host ${hostname} is not allowed (DNS rebinding protection): add it to --admin-hosts or set --admin-token.`,
    'emulator.example.org',
  ),
  FOREIGN_PAGE: withReason(403, 'Web pages of another origin may not call the control plane.'),
  READ_ONLY: own(403, (path: string) => `This emulator is read-only: it shows ${path}.`, 'artifacts'),
  NOT_FOUND: own(404, () => 'The control plane has no such operation.'),
  ACCOUNT_NOT_FOUND: own(404, (key: string) => `No account has the key ${key}.`, 'demo'),
  TASK_NOT_FOUND: own(404, (id: string) => `The account has no task ${id}.`, 'task_1'),
  FILE_NOT_FOUND: withReason(404, 'Task task_1 has no file videoUrl.'),
  SNAPSHOT_NOT_FOUND: external(404, 'Snapshot two-videos of demo does not exist.'),
  REQUEST_NOT_FOUND: own(404, (id: string) => `The journal of the account has no request ${id}.`, '7'),
  VERDICT_NOT_FOUND: own(
    404,
    (key: string) => `The file of ${key} has no verdict; export it with include=requests,verdict.`,
    'demo',
  ),
  FAULT_NOT_FOUND: own(404, (id: string) => `Fault rule ${id} does not exist.`, '7'),
  WAIT_TIMEOUT: own(
    408,
    (missed: string, timeoutMs: number) => `${missed} within ${timeoutMs} ms.`,
    'Task task_1 did not end',
    10_000,
  ),
  ACCOUNT_EXISTS: own(409, (key: string) => `An account with the key ${key} already exists.`, 'demo'),
  ACCOUNT_CHANGED: own(409, () => 'The account was reset, restored or removed during the wait.'),
  BALANCE_TOO_HIGH: external(409, '9007199254740000 plus 1000 credits exceed the largest balance.'),
  BALANCE_TOO_LOW: external(409, '60 credits cannot be deducted from 40.'),
  CLOCK_BACKWARDS: external(409, 'The clock of demo shows 2026-01-31T12:00:00.000Z and cannot go back.'),
  CLOCK_TOO_FAR: external(409, 'The clock of demo cannot go past the year 9999.'),
  TASK_ENDED: own(409, (id: string, status: string) => `Task ${id} has already ${status}.`, 'task_1', 'completed'),
  TOO_MANY_SNAPSHOTS: external(409, 'The limit of 100 snapshots per account is reached (--snapshot-limit).'),
  TOO_MANY_FAULTS: own(409, (limit: number) => `The limit of ${limit} fault rules is reached (--fault-limit).`, 1000),
  PRECONDITION_FAILED: external(412, 'The file does not match If-Match or If-Unmodified-Since.'),
  BODY_TOO_LARGE: external(413, 'The body is larger than 1048576 bytes.'),
  UNSUPPORTED_MEDIA_TYPE: external(415, 'Send the body as JSON, with "Content-Type: application/json".'),
  RANGE_NOT_SATISFIABLE: external(416, 'The file has 4000 bytes, none of them in the range bytes=5000-.'),
  INTERNAL_ERROR: own(500, () => 'The emulator failed; see its log.'),
  TOO_MANY_LISTENERS: external(503, 'The limit of 1000 concurrent listeners and waits is reached (--listener-limit).'),
  TOO_MANY_IMAGES: external(503, '1000 images are already waiting to be rendered.'),
  OUT_OF_MEMORY: external(503, 'The memory for data of clients is full (--memory-budget-mb).'),
  TOO_MANY_OPEN_FILES: own(503, () => 'The emulator cannot open more files (ulimit -n).'),
  STOPPING: own(503, () => 'The emulator is stopping.'),
};

export type AdminErrorCode = keyof typeof ADMIN_ERRORS;

type ThrowableCode = {
  [Code in AdminErrorCode]: (typeof ADMIN_ERRORS)[Code] extends { message: unknown } ? Code : never;
}[AdminErrorCode];

/** An error of the control plane, with the message that its code has in the table. */
export class AdminError<Code extends ThrowableCode> extends EmulatorError {
  constructor(code: Code, ...args: Parameters<(typeof ADMIN_ERRORS)[Code]['message']>) {
    const message = ADMIN_ERRORS[code].message as (...args: (string | number)[]) => string;
    super(code, message(...args));
  }
}

export const isAdminErrorCode = (code: string): code is AdminErrorCode => Object.hasOwn(ADMIN_ERRORS, code);
