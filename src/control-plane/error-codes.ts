/** How the control plane tells a code: its status, and a sentence such as it comes with. */
interface AdminErrorSpec {
  status: number;
  example: string;
}

export const ADMIN_ERRORS = {
  INVALID_INPUT: {
    status: 400,
    example: 'Invalid parameter speed: expected a number from 0.000001 to 1000000.',
  },
  BODY_NOT_JSON: { status: 400, example: 'The body is not valid JSON.' },
  MALFORMED_REQUEST: { status: 400, example: 'An HTTP/1.1 request without Host.' },
  ADMIN_TOKEN_REQUIRED: {
    status: 401,
    example: 'Send the admin token as "Authorization: Bearer …" or "x-admin-token: …".',
  },
  LOOPBACK_ONLY: {
    status: 403,
    example:
      'Without an admin token the control plane answers on this machine only: start it with --admin-token or --admin-remote on.',
  },
  FOREIGN_HOST: {
    status: 403,
    example:
      'Anybody can have made the name emulator.example.org lead here: name it in --admin-hosts, or start with --admin-token.',
  },
  FOREIGN_PAGE: { status: 403, example: 'Pages of another origin may not use the control plane.' },
  NOT_FOUND: { status: 404, example: 'There is no such call of the control plane.' },
  ACCOUNT_NOT_FOUND: { status: 404, example: 'There is no account with the key demo.' },
  TASK_NOT_FOUND: { status: 404, example: 'There is no task task_1 of this account.' },
  FILE_NOT_FOUND: { status: 404, example: 'Task task_1 has no file videoUrl.' },
  SNAPSHOT_NOT_FOUND: { status: 404, example: 'There is no snapshot two-videos of demo.' },
  REQUEST_NOT_FOUND: { status: 404, example: 'There is no request 7 in the journal of this account.' },
  FAULT_NOT_FOUND: { status: 404, example: 'There is no rule 7 here.' },
  WAIT_TIMEOUT: { status: 408, example: 'Task task_1 was not there within 10000 ms.' },
  ACCOUNT_EXISTS: { status: 409, example: 'There is an account with the key demo already.' },
  ACCOUNT_CHANGED: { status: 409, example: 'The account was reset, restored or removed meanwhile.' },
  BALANCE_TOO_LOW: { status: 409, example: '60 credits cannot be taken from 40.' },
  CLOCK_BACKWARDS: {
    status: 409,
    example: 'The clock of demo shows 2026-01-31T12:00:00.000Z and cannot go back.',
  },
  CLOCK_TOO_FAR: { status: 409, example: 'The clock of demo cannot go past the year 9999.' },
  TASK_ENDED: { status: 409, example: 'Task task_1 has ended already.' },
  TOO_MANY_SNAPSHOTS: { status: 409, example: 'An account has at most 100 snapshots (--snapshot-limit).' },
  TOO_MANY_FAULTS: { status: 409, example: 'There can be 1000 rules here, and there are (--fault-limit).' },
  PRECONDITION_FAILED: {
    status: 412,
    example: 'The file is not the one that If-Match or If-Unmodified-Since asks for.',
  },
  BODY_TOO_LARGE: { status: 413, example: 'The body is larger than 1048576 bytes.' },
  UNSUPPORTED_MEDIA_TYPE: {
    status: 415,
    example: 'Send the body as JSON, with "Content-Type: application/json".',
  },
  RANGE_NOT_SATISFIABLE: {
    status: 416,
    example: 'The file has 4000 bytes, and none in the range bytes=5000-.',
  },
  INTERNAL_ERROR: { status: 500, example: 'The emulator failed; its log says why.' },
  TOO_MANY_LISTENERS: {
    status: 503,
    example: 'There can be 1000 listeners and waits at once, and there are (--listener-limit).',
  },
  TOO_MANY_IMAGES: { status: 503, example: '1000 images wait to be drawn already.' },
  STOPPING: { status: 503, example: 'The emulator stops.' },
} as const satisfies Record<string, AdminErrorSpec>;

export type AdminErrorCode = keyof typeof ADMIN_ERRORS;

export const isAdminErrorCode = (code: string): code is AdminErrorCode => Object.hasOwn(ADMIN_ERRORS, code);
