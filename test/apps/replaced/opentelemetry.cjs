Object.assign(process.env, { OTEL_TRACES_EXPORTER: 'none', OTEL_METRICS_EXPORTER: 'none', OTEL_LOGS_EXPORTER: 'none' });
const modules = '../../replaced/node_modules';
const { NodeSDK } = require(`${modules}/@opentelemetry/sdk-node`);
const { getNodeAutoInstrumentations } = require(`${modules}/@opentelemetry/auto-instrumentations-node`);
new NodeSDK({ instrumentations: [getNodeAutoInstrumentations()] }).start();
require('./serve.cjs').serve();
