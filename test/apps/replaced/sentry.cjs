require('../../replaced/node_modules/@sentry/node').init({ dsn: 'http://key@127.0.0.1:1/1', tracesSampleRate: 1 });
require('./serve.cjs').serve();
