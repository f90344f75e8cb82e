import { Date } from '../../core/globals.ts';

/** A journal entry as the control plane returns it. */
interface EntryJson {
  id: string;
  requestId: string;
  at: string;
  method: string;
  path: string;
  status: number | null;
  errorCode: string | null;
  durationMs: number | null;
  request: { headers: Record<string, string | string[]>; body: unknown; truncated?: true };
  response: { headers: Record<string, string | number>; body: unknown; truncated?: true };
  taskIds: string[];
  fault: string | null;
  warnings: string[];
}

/**
 * A request in an opened file: its JSON, which contains no credentials, with the fields of an `Entry` by which requests
 * are found.
 */
export class OpenedEntry {
  readonly json: EntryJson;
  /** Zero, because the entries of a file are never evicted. */
  readonly bytes = 0;
  readonly seq: number;
  readonly requestId: string;
  readonly atMs: number;
  /** The account's time, because the file does not have the wall time. */
  readonly wallMs: number;
  readonly method: string;
  readonly path: string;
  readonly status: number | null;
  readonly errorCode: string | null;
  readonly durationMs: number | null;

  constructor(json: EntryJson) {
    this.json = json;
    this.seq = Number(json.id);
    this.requestId = json.requestId;
    this.atMs = Date.parse(json.at);
    this.wallMs = this.atMs;
    this.method = json.method;
    this.path = json.path;
    this.status = json.status;
    this.errorCode = json.errorCode;
    this.durationMs = json.durationMs;
  }

  get body(): string {
    return toText(this.json.request.body);
  }

  get responseBody(): string {
    return toText(this.json.response.body);
  }
}

const toText = (body: unknown): string => (typeof body === 'string' ? body : JSON.stringify(body));
