import assert from 'node:assert/strict';
import { it } from 'node:test';
import { leakReport, verdictOf } from '../src/ops/leakReport.ts';

const held: unknown[] = [];
function leakOnPurpose(): void {
  held.push(new Array(20_000).fill(Math.random()));
}

it('a leak is called one, and the line that allocates is the first of its sites', async () => {
  const leaking = setInterval(leakOnPurpose, 10);
  const { verdict, growthBytesPerMinute, sites } = await leakReport(2_000);
  clearInterval(leaking);
  assert.equal(verdict, 'growing');
  assert.ok(growthBytesPerMinute > 1_000_000);
  assert.match(sites[0]!.where, /^leakOnPurpose file:.*leakReport\.test\.js:\d+:\d+$/);
});

it('what goes up and down, or hardly at all, is no leak', () => {
  const mb = (...sizes: number[]) => sizes.map((size) => size * 2 ** 20);
  assert.equal(verdictOf(mb(10, 11, 12, 13, 14)), 'growing');
  assert.equal(verdictOf(mb(10, 12, 11, 13, 12)), 'unclear');
  assert.equal(verdictOf(mb(10, 10.01, 10.02, 10.03, 10.05)), 'steady');
  assert.equal(verdictOf(mb(14, 13, 12, 11, 10)), 'steady');
});
