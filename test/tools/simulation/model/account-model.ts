import { HOUR_MS } from './facts.ts';

export type Mode = 'real' | 'frozen' | 'auto';

export interface ModelTask {
  seq: number;
  id: string;
  family: string;
  price: number;
  /** Ends with its request, not by its plan. */
  isStream: boolean;
  /** The client's name of a shot. */
  ref: string | null;
  steps: { name: string; atMs: number }[];
  endMs: number;
  outcome: 'completed' | 'failed' | 'hangs';
  status: 'processing' | 'completed' | 'failed';
  step: number;
  /** `seq` of the task that must end before this one starts. */
  follows: number | null;
  createdAt: number;
  startedAt: number | null;
  dueAt: number | null;
  finishedAt: number | null;
  simulatedMs: number | null;
  errorCode: string | null;
}

export interface ModelEntry {
  kind: string;
  amount: number;
  balance: number;
  taskId: string | null;
  reason: string | null;
  at: number;
}

export interface ModelRule {
  family: string;
  times: number;
  fired: number;
}

export interface Profile {
  credits: number;
  limit: number | null;
  mode: Mode;
  speed: number;
  seed: string;
}

/** Everything that a snapshot copies. */
export interface AccountState {
  mode: Mode;
  /** Offset to wall time on `real` clocks, the time itself on others. */
  clockMs: number;
  speed: number;
  seed: string;
  limit: number | null;
  revoked: boolean;
  profile: Profile;
  window: { startedAt: number; count: number } | null;
  entries: ModelEntry[];
  tasks: ModelTask[];
  rules: ModelRule[];
}

export interface ModelTransition {
  taskId: string;
  from: string;
  to: string;
  at: number;
}

/** Receives the events that the emulator must emit. */
export type Emit = (event: ModelTransition | (ModelEntry & { id: string })) => void;

export function createState(profile: Profile, wallMs: number, emit: Emit): AccountState {
  const state: AccountState = {
    mode: profile.mode,
    clockMs: profile.mode === 'real' ? 0 : wallMs,
    speed: profile.speed,
    seed: profile.seed,
    limit: profile.limit,
    revoked: false,
    profile,
    window: null,
    entries: [],
    tasks: [],
    rules: [],
  };
  if (profile.credits > 0) record(state, 'grant', profile.credits, null, 'initial credits', wallMs, emit);
  return state;
}

export const timeOf = ({ mode, clockMs }: AccountState, wallMs: number) =>
  mode === 'real' ? wallMs + clockMs : clockMs;
export const balanceOf = ({ entries }: AccountState) => entries.at(-1)?.balance ?? 0;
export const scaleOf = ({ mode, speed }: AccountState) => (mode === 'real' ? speed : 1);
export const isRunning = ({ status }: ModelTask) => status === 'processing';

export function record(
  state: AccountState,
  kind: string,
  amount: number,
  taskId: string | null,
  reason: string | null,
  at: number,
  emit: Emit,
): void {
  const entry = { kind, amount, balance: balanceOf(state) + amount, taskId, reason, at };
  state.entries.push(entry);
  emit({ id: String(state.entries.length), ...entry });
}

/** Returns the window of the current hour; null when none has begun. */
export function currentWindow({ window }: AccountState, now: number): AccountState['window'] {
  return window && now >= window.startedAt && now < window.startedAt + HOUR_MS ? window : null;
}

/** Counts a request and returns what the headers must say; null for an account without a limit. */
export function countRequest(
  state: AccountState,
  now: number,
): { isOver: boolean; remaining: number; leftMs: number } | null {
  if (state.limit === null) return null;
  const window = currentWindow(state, now) ?? { startedAt: now, count: 0 };
  state.window = window;
  window.count += 1;
  return {
    isOver: window.count > state.limit,
    remaining: Math.max(0, state.limit - window.count),
    leftMs: window.startedAt + HOUR_MS - now,
  };
}
