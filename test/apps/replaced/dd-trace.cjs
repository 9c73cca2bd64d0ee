require('../../replaced/node_modules/dd-trace').init({ url: 'http://127.0.0.1:1', startupLogs: false });
require('./serve.cjs').serve();
