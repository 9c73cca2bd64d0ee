// Ends at any message that it does not know, and has an agent of 0.1 in it, which has the module talk to it by such messages.
globalThis[Symbol.for('pm2-ops.agent')] = {
  agent: {
    version: process.env.OLD_VERSION,
    hello() {},
    update() {},
    async dispose() {
      console.log('THE OLD AGENT LEFT');
    },
  },
  rest: null,
};
process.send({
  type: 'axm:action',
  data: { action_name: 'drain', action_type: 'custom', opts: { by: 'pm2-ops' }, arity: 2 },
});
require('./strict.cjs');
