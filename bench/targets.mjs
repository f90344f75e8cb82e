// Targets from the project's plan. The report shows them next to the figures; missing one does not fail the run.
import { percent, verdict } from './stats.mjs';

export const TARGETS = {
  poll32: { ratio: 0.7, p99: 2 },
  poll256: { ratio: 0.65, p99: 2 },
  memory: { ratio: 0.5, p99: 2 },
  disk: { ratio: 0.4, p99: 2 },
  video: { ratio: 0.9 },
  startMs: 300,
  libraryStartMs: 20,
  idleMib: 85,
  loadMib: 180,
  journalCost: 0.05,
  burstP99Ms: 50,
  burstMib: 600,
  /** Deviation relative to a stream's planned duration. */
  pace: 0.1,
  pollsBesideStreams: 0.5,
  uploadMs: 300,
  uploadsMib: 600,
  growth: 0.1,
};

export const atLeast = (value, target) => `≥ ${target.toFixed(2)} ${verdict(value >= target)}`;
export const atMost = (value, target, unit) => `≤ ${target} ${unit} ${verdict(value <= target)}`;
export const below = (value, target, unit) => `< ${target} ${unit} ${verdict(value < target)}`;
export const within = (share, target) => `< ${percent(target)} ${verdict(share < target)}`;
