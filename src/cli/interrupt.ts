/** Ctrl-C in the middle of work that has something to tidy up. */

/** What `work` started is stopped by its signal; when that is done, this process ends by the same signal. */
export async function untilInterrupted<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const stop = new AbortController();
  const handlers = (['SIGINT', 'SIGTERM', 'SIGHUP'] as const).map((name) => {
    const handler = () => stop.abort(name);
    process.once(name, handler);
    return { name, handler };
  });
  try {
    return await work(stop.signal);
  } catch (error) {
    if (!stop.signal.aborted) throw error;
    for (const { name, handler } of handlers) process.off(name, handler);
    process.kill(process.pid, stop.signal.reason);
    return new Promise(() => undefined);
  } finally {
    for (const { name, handler } of handlers) process.off(name, handler);
  }
}
