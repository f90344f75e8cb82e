/** Adds a full stop to a text that may already end with one, such as the message of an error. */
export const endSentence = (text: string): string => (/[.!?]$/.test(text) ? text : `${text}.`);
