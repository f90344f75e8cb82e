/** V8's header of a string, with the padding to a multiple of eight bytes. */
const STRING_HEADER_BYTES = 24;

/** Returns the bytes that a string takes in memory: V8 needs two bytes per character unless all are in Latin-1. */
export function stringBytes(text: string): number {
  const isAscii = Buffer.byteLength(text) === text.length;
  return STRING_HEADER_BYTES + (isAscii ? text.length : 2 * text.length);
}

/** Copies the start of a text. A slice would keep the whole text in memory. Lone surrogates become U+FFFD. */
export const copyPrefix = (text: string, maxLength: number): string => Buffer.from(text.slice(0, maxLength)).toString();
