const VENDOR_HOST_PATTERN = /^(?:[a-z0-9-]{1,63}\.){0,8}nanophoto\.ai$/i;

/** The vendor's main host. The proxy serves it and its subdomains only. */
export const VENDOR_HOST = 'nanophoto.ai';

/** Whether a host is the vendor's main host or one of its subdomains. */
export const isVendorHost = (host: string): boolean => VENDOR_HOST_PATTERN.test(host);
