import Fastify, { type RouteOptions } from 'fastify';
import { registerFamilies } from '../../src/families/index.ts';
import type { App, HttpContext } from '../../src/http/context.ts';
import { zodValidator } from '../../src/http/pipeline/validation.ts';

/** Each route with its family and its own codes, as the families register them. */
export async function listRegisteredRoutes() {
  const routes: RouteOptions[] = [];
  const app = Fastify();
  app.setValidatorCompiler(zodValidator);
  app.addHook('onRoute', (route) => void routes.push(route));
  registerFamilies(app as unknown as App, { settings: { priceOverrides: {} } } as HttpContext);
  await app.ready();
  // Read when all hooks have been at the routes.
  return routes.map(({ url, config: { family, errors = {} } = {} }) => ({ url, family, errors }));
}
