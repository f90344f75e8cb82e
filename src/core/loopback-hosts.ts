const LOOPBACK_HOST = /^(?:localhost|127(?:\.\d+){3}|\[::1\])$/i;

/** Whether a host in a URL or a `Host` header, without its port, is this machine. */
export const isLoopbackHost = (host: string): boolean => LOOPBACK_HOST.test(host);
