require('../../replaced/node_modules/zone.js/bundles/zone-node.umd.js');
const { listenIn, serve } = require('./serve.cjs');
listenIn(Zone.prototype, 'scheduleTask');
listenIn(Zone.prototype, 'runTask');
listenIn(globalThis, 'Promise');
serve();
