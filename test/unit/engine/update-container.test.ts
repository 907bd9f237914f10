import { describe, expect, test } from 'vitest';
import { changesOf, mergeOptions } from '../../../src/engine/update-container.ts';

describe('options on top of those before', () => {
  test('leave what is not given', () => {
    expect(mergeOptions({ memory: 10, cpuShares: 5 }, { memory: 20 })).toEqual({ memory: 20, cpuShares: 5 });
  });

  test('of processor time replace one another', () => {
    const before = { cpuQuota: 50_000, cpuPeriod: 100_000 };
    expect(mergeOptions(before, { cpus: 2 })).toEqual({ cpuQuota: 0, cpuPeriod: 0, cpus: 2 });
    expect(mergeOptions(before, { cpuQuota: 7000 })).toEqual({ cpuQuota: 7000, cpuPeriod: 100_000 });
  });

  test('that free the memory free the swap too', () => {
    expect(mergeOptions({ memory: 10, memorySwap: 20 }, { memory: 0 })).toEqual({ memory: 0, memorySwap: 0 });
  });

  test('may not let memory outgrow memory and swap together', () => {
    expect(() => mergeOptions({ memory: 10, memorySwap: 20 }, { memory: 30 })).toThrow(
      /more than memory and swap/,
    );
    expect(mergeOptions({ memory: 10, memorySwap: 20 }, { memory: 30, memorySwap: 30 })).toEqual({
      memory: 30,
      memorySwap: 30,
    });
    expect(mergeOptions({ memory: 10, memorySwap: -1 }, { memory: 30 }).memorySwap).toBe(-1);
  });

  test.each([{ cpuShares: 0 }, { cpusetCpus: '' }, { blkioWeight: 0 }, { memoryReservation: 0 }])(
    '%j cannot be',
    (asked) => {
      expect(() => mergeOptions({}, asked)).toThrow(/cannot be taken away/);
    },
  );
});

describe('what is written', () => {
  test('are the sections that differ, each whole', () => {
    const before = { memory: { limit: 10, swap: 20 }, cpu: { shares: 2 }, pids: { limit: 5 } };
    expect(changesOf(before, { ...before, memory: { limit: 15, swap: 20 } })).toEqual({
      memory: { limit: 15, swap: 20 },
    });
    expect(changesOf(before, before)).toEqual({});
  });

  test('is -1 where a limit goes', () => {
    const before = {
      memory: { limit: 10, swap: 20, reservation: 5 },
      cpu: { quota: 5, period: 10, shares: 3 },
      pids: { limit: 5 },
    };
    expect(changesOf(before, { memory: { reservation: 5 }, cpu: { shares: 3 } })).toEqual({
      memory: { limit: -1, swap: -1, reservation: 5 },
      cpu: { quota: -1, shares: 3 },
      pids: { limit: -1 },
    });
  });
});
