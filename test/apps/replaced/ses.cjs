require('../../replaced/node_modules/ses');
lockdown();
require('./serve.cjs').serve();
