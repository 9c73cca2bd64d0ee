// Runs app-template on all CPUs that may be used here: npm run template && pm2 start
const { apps } = require('./app-template/ecosystem.config.cjs');

module.exports = { apps: apps.map((app) => ({ ...app, name: 'web' })) };
