import { availableParallelism } from 'node:os';

/** Leaves one core for requests. Rendering an image in 4K takes about 200 MB. */
export const RENDER_CONCURRENCY = Math.max(1, Math.min(2, availableParallelism() - 1));
