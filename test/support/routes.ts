import Fastify, { type RouteOptions } from 'fastify';
import { registerApis } from '../../src/families/index.ts';
import type { App, Emulator } from '../../src/http/context.ts';
import { zodValidator } from '../../src/http/pipeline/validation.ts';

/** Each route with its family and its own codes, as the families register them. */
export async function registeredRoutes() {
  const routes: RouteOptions[] = [];
  const app = Fastify();
  app.setValidatorCompiler(zodValidator);
  app.addHook('onRoute', (route) => void routes.push(route));
  registerApis(app as unknown as App, { settings: { priceChanges: {} } } as Emulator);
  await app.ready();
  // Read when all hooks have been at the routes.
  return routes.map(({ url, config: { family, problems = {} } = {} }) => ({ url, family, problems }));
}
