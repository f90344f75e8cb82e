/* global Scalar */
// Runs in the browser; the build appends this to Scalar's script, in the same file. URLs are relative to the page, so
// that it also works below a path prefix, such as /nodes/2/docs behind a balancer.
const at = (path) => new URL(path, document.baseURI).href;

const common = {
  // Overrides the servers that the documents list: this page must only call its own emulator.
  servers: [{ url: at('.').replace(/\/$/, ''), description: 'This emulator' }],
  // Switches off everything that would contact other hosts.
  withDefaultFonts: false,
  telemetry: false,
  agent: { disabled: true },
  mcp: { disabled: true },
  hideClientButton: true,
  showDeveloperTools: 'never',
};

Scalar.createApiReference('#app', [
  {
    ...common,
    title: 'API',
    slug: 'api',
    url: at('openapi.json'),
    authentication: {
      preferredSecurityScheme: 'apiKey',
      securitySchemes: { apiKey: { token: 'np_test_default' } },
    },
  },
  {
    ...common,
    title: 'Control plane',
    slug: 'control-plane',
    url: at('__admin/openapi.json'),
    // The control plane requires this header for writes from a browser; forms and links of other pages cannot send it.
    onBeforeRequest: ({ requestBuilder }) => requestBuilder.headers.set('x-emulator-console', '1'),
  },
]);
