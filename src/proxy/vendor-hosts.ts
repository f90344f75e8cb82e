/** The vendor's own: the only hosts that we speak for. */
const VENDOR = 'nanophoto.ai';
const VENDOR_HOST_PATTERN = /^(?:[a-z0-9-]{1,63}\.){0,8}nanophoto\.ai$/i;

export const VENDOR_HOST = VENDOR;

/** Whether it is the vendor's host or one of its subdomains. */
export const isVendorHost = (host: string): boolean => VENDOR_HOST_PATTERN.test(host);
