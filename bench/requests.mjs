// What is asked for, without a word of who is asked.
export const SORA = '/api/sora-2';
export const SORA_ORDER = { prompt: 'A cat plays the piano in a jazz club', mode: 'textToVideo' };
export const GENERATE = `${SORA}/generate`;
export const CHECK_STATUS = `${SORA}/check-status`;

/** What the answers to a generate and to a poll of a running task say; '*': any text. */
export const ACCEPTED = { success: true, status: 'processing', taskId: '*' };
export const running = (taskId) => ({ success: true, status: 'processing', taskId });
