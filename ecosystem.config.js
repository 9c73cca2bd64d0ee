// Runs app-template on all CPUs: npm ci --prefix app-template && npm run build --prefix app-template && pm2 start
module.exports = {
  apps: [
    {
      name: 'web',
      cwd: `${__dirname}/app-template`,
      script: 'dist/server.js',
      exec_mode: 'cluster', // the workers share one port, so a reload replaces them one by one
      instances: 'max', // one worker per CPU
      wait_ready: true, // a worker counts as online when it says so, after it listens
      listen_timeout: 10_000, // … or after this many milliseconds
      kill_timeout: 8_000, // longer than Node's keepAliveTimeout of 5 s, so that idle connections end as agreed
      env: {
        NODE_ENV: 'production',
        PORT: process.env.PORT ?? '3000',
      },
    },
  ],
};
