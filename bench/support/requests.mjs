// The requests of the benchmark, independent of the server.
export const SORA = '/api/sora-2';
export const SORA_ORDER = { prompt: 'A cat plays the piano in a jazz club', mode: 'textToVideo' };
export const GENERATE = `${SORA}/generate`;
export const CHECK_STATUS = `${SORA}/check-status`;

/** Expected fields of the responses to a generate and to a poll of a running task; '*' matches any text. */
export const ACCEPTED = { success: true, status: 'processing', taskId: '*' };
export const running = (taskId) => ({ success: true, status: 'processing', taskId });
