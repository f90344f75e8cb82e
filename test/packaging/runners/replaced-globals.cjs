/** Globals that fake timers, DOM environments and mocks replace. */
module.exports = [
  ...['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'setImmediate', 'clearImmediate', 'queueMicrotask'],
  ...['Date', 'performance', 'AbortController', 'AbortSignal', 'Event', 'EventTarget', 'TextDecoder', 'TextEncoder'],
  ...['URL', 'URLSearchParams', 'Blob', 'File', 'FormData', 'Headers', 'Request', 'Response', 'atob', 'btoa'],
  ...['crypto', 'fetch', 'structuredClone'],
];
