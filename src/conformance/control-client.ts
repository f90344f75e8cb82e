import type { Control } from '../client/api.ts';
import { ControlError, createControl } from '../client/client.ts';
import { Aborted, Mismatch } from './case-errors.ts';
import { describeError, isConnectionError, request } from './http-client.ts';

/** All responses of a run together. A run reads a few kilobytes per case; a list of a hostile server may never end. */
const MAX_TOTAL_CHARACTERS = 64 * 1024 * 1024;

/**
 * Connects to the control plane of a server that may be hostile: responses are limited in time and size, and redirects,
 * which would receive the admin token, are not followed. Its operations throw `Mismatch` or `Aborted` when the server
 * does not respond, and ControlError as those of `connectEmulator` do.
 */
export function connectControlPlane(url: string, adminToken: string | undefined): Control {
  let charactersLeft = MAX_TOTAL_CHARACTERS;
  return createControl(async (method, path, requestBody) => {
    const response = await request(url + path, {
      method,
      headers: {
        ...(requestBody !== undefined && { 'content-type': 'application/json' }),
        ...(adminToken !== undefined && { 'x-admin-token': adminToken }),
      },
      ...(requestBody !== undefined && { body: JSON.stringify(requestBody) }),
    }).catch((error) => {
      if (isConnectionError(error))
        throw new Mismatch('a response of the control plane', `none: ${describeError(error)}`);
      throw new Aborted(`${url} does not respond: ${describeError(error)}`);
    });
    const { status, text, body, isWhole } = response;
    charactersLeft -= text.length;
    const isJson = text === '' || body !== undefined;
    if (!isWhole || !isJson || (status >= 300 && status < 400) || charactersLeft < 0) {
      throw new ControlError(`${url} is not an emulator: its response is not JSON.`, 'NO_EMULATOR', status);
    }
    return { status, body };
  });
}
