import { FAMILIES } from '../../src/families/index.ts';

/** Each route of the API with its family and its own error codes. */
export const listRegisteredRoutes = () =>
  FAMILIES.flatMap(({ name, routes }) =>
    routes.map(({ path, kind, errors }) => ({ url: path, kind, family: name, errors })),
  );
