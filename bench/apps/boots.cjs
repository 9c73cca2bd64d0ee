// An app that does nothing but say when its first line ran, and what its process had cost by then.
const ms = performance.now();
const { user, system } = process.cpuUsage();
process.send({ ms, cpuMs: (user + system) / 1000, rss: process.memoryUsage.rss() }, () => process.disconnect());
