const LOOPBACK_HOST = /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/i;

/** Whether a host name or address, in the form of a URL and without a port, is this machine. */
export const isLoopbackHost = (host: string): boolean => LOOPBACK_HOST.test(host);
