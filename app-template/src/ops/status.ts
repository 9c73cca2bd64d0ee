// What this worker is like right now.

import v8 from 'node:v8';
import type { Service } from 'pm2-ops/lifecycle';

/** @param service undefined before it listens */
export async function statusOf(service: Service | undefined): Promise<Record<string, unknown>> {
  const readiness = await service?.readiness();
  return {
    state: 'starting',
    ready: false,
    checks: [],
    ...readiness,
    pid: process.pid,
    instance: Number(process.env.NODE_APP_INSTANCE ?? 0),
    node: process.version,
    uptimeSeconds: Math.round(process.uptime()),
    killTimeoutMs: service?.killTimeoutMs,
    memory: process.memoryUsage(),
    heapLimitBytes: v8.getHeapStatistics().heap_size_limit,
  };
}
