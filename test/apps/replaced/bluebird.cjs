global.Promise = require('../../replaced/node_modules/bluebird');
require('./serve.cjs').serve();
