// How PM2 runs the service: npm run build && pm2 start ecosystem.config.cjs

const v8 = require('node:v8');
const { usableCpus, usableMemoryBytes } = require('./limits.cjs');

const workers = usableCpus();

module.exports = {
  apps: [
    {
      name: 'app-template',
      cwd: __dirname,
      script: 'dist/server.js',

      exec_mode: 'cluster', // the workers share one port, so a reload replaces them one by one
      instances: workers, // one per CPU that may be used here; 'max' would not see a container's quota

      wait_ready: true, // a worker counts as online when it says so, after it listens
      // … or after this many milliseconds, and PM2 then ends the old worker all the same. So it is longer than a start may
      // take (30 s), after which the worker gives up by itself.
      listen_timeout: 35_000,
      // From SIGINT to SIGKILL. Longer than the slowest request, and than keepAliveTimeout (5 s, Node's default), after
      // which no client has a reason to use an old connection; the rest is for closing the resources.
      kill_timeout: 8_000,

      // A worker that leaks is reloaded, which drops nothing, before the kernel or V8 end it, which does.
      max_memory_restart: memoryPerWorkerBytes(),

      // A worker that cannot start (a database is down) is tried again after 0.1 s, 0.15 s, … and then every 15 s.
      exp_backoff_restart_delay: 100,

      env: {
        NODE_ENV: 'production',
        PORT: process.env.PORT ?? '3000',
      },
    },
  ],
};

/** Four fifths of the memory that may be used, shared by the workers and the one that a reload starts beside them; no more
 * than V8 gives a heap, and no less than a healthy worker needs. */
function memoryPerWorkerBytes() {
  const share = (0.8 * usableMemoryBytes()) / (workers + 1);
  return Math.floor(Math.max(150 * 2 ** 20, Math.min(share, 0.9 * v8.getHeapStatistics().heap_size_limit)));
}
