/** What a pull or a push shows while it goes on: a line for each layer that changes on a terminal, lines one after the other elsewhere. */
import type { Digest } from '../lib/brands.ts';
import type { LayerEvent } from '../registry/layer-event.ts';
import type { FlagTable } from './flags.ts';
import { untilInterrupted } from './interrupt.ts';
import { print } from './print.ts';
import { humanSize } from './table.ts';

/** How verbs that move layers are asked to show it. */
export const PROGRESS_FLAGS = {
  json: { type: 'switch', help: 'print what happens as JSON, one object a line' },
  quiet: { short: 'q', type: 'switch', help: 'print only the name of the image' },
} as const satisfies FlagTable;

export interface Progress {
  onLayer(event: LayerEvent): void;
  /** The last state stays on the screen. */
  finish(): void;
}

/** Undefined where nothing is shown. */
export function progressAsAsked(flags: {
  readonly json: boolean;
  readonly quiet: boolean;
}): Progress | undefined {
  if (flags.json) return new JsonProgress(print);
  return flags.quiet ? undefined : showProgress(process.stdout);
}

/** Does something that Ctrl-C stops, and shows what it tells of its layers. */
export async function whileShown<T>(
  progress: Progress | undefined,
  act: (steps: { readonly signal: AbortSignal; readonly onLayer: (event: LayerEvent) => void }) => Promise<T>,
): Promise<T> {
  try {
    return await untilInterrupted((signal) => act({ signal, onLayer: (event) => progress?.onLayer(event) }));
  } finally {
    progress?.finish();
  }
}

export function showProgress(stream: NodeJS.WriteStream): Progress {
  return stream.isTTY ? new TerminalProgress(stream) : new LineProgress((line) => stream.write(line));
}

/** Docker's words; phases that are not here are passed over. */
const LINES: Partial<Readonly<Record<LayerEvent['phase'], string>>> = {
  waiting: 'Waiting',
  present: 'Already exists',
  downloaded: 'Download complete',
  unpacked: 'Pull complete',
  uploaded: 'Pushed',
  mounted: 'Mounted from another repository',
};

class LineProgress implements Progress {
  readonly #write: (line: string) => void;

  constructor(write: (line: string) => void) {
    this.#write = write;
  }

  onLayer({ layer, phase }: LayerEvent): void {
    const words = LINES[phase];
    if (words !== undefined) this.#write(`${shortId(layer)}: ${words}\n`);
  }

  finish(): void {}
}

const MOVING: Partial<Readonly<Record<LayerEvent['phase'], string>>> = {
  downloading: 'Downloading',
  uploading: 'Pushing',
};
const REDRAW_MS = 100;
/** Layers about which no more will be said. */
const FINISHED: ReadonlySet<LayerEvent['phase']> = new Set(['present', 'unpacked', 'uploaded', 'mounted']);

interface Row {
  readonly event: LayerEvent;
  /** When its transfer began, by performance.now(). */
  readonly sinceMs: number | undefined;
}

export class TerminalProgress implements Progress {
  readonly #screen: Pick<NodeJS.WriteStream, 'write' | 'columns' | 'rows'>;
  readonly #rows = new Map<Digest, Row>();
  #drawn = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(screen: Pick<NodeJS.WriteStream, 'write' | 'columns' | 'rows'>) {
    this.#screen = screen;
  }

  onLayer(event: LayerEvent): void {
    const since = this.#rows.get(event.layer)?.sinceMs;
    const sinceMs = MOVING[event.phase] ? (since ?? performance.now()) : since;
    this.#rows.set(event.layer, { event, sinceMs });
    this.#timer ??= setTimeout(() => this.#draw(), REDRAW_MS);
  }

  finish(): void {
    if (this.#timer === undefined && this.#rows.size === 0) return;
    this.#draw();
  }

  #draw(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const { columns = 80, rows = 24 } = this.#screen;
    const lines = linesOf([...this.#rows.values()], rows - 2, performance.now());
    const up = this.#drawn === 0 ? '' : `\x1b[${this.#drawn}A`;
    // Erase what is left of each line, and at the end what is left of the screen: there may be fewer lines than before.
    this.#screen.write(
      `${up}\r${lines.map((line) => `${line.slice(0, columns - 1)}\x1b[K\n`).join('')}\x1b[J`,
    );
    this.#drawn = lines.length;
  }
}

/** At most `most` lines: when there are more layers, a sum and those on which something goes on. */
function linesOf(rows: readonly Row[], most: number, nowMs: number): readonly string[] {
  const line = (row: Row) => `${shortId(row.event.layer)}: ${describe(row, nowMs)}`;
  if (rows.length <= most) return rows.map(line);
  const finished = rows.filter(({ event }) => FINISHED.has(event.phase)).length;
  const active = rows.filter(({ event }) => MOVING[event.phase] || event.phase === 'unpacking');
  return [`${finished} of ${rows.length} layers`, ...active.slice(0, Math.max(0, most - 1)).map(line)];
}

const BAR_WIDTH = 30;

function describe({ event, sinceMs }: Row, nowMs: number): string {
  const { phase, bytes, size } = event;
  if (phase === 'unpacking') return 'Extracting';
  const moving = MOVING[phase];
  if (moving === undefined) return LINES[phase] ?? phase;
  const done = size === 0 ? BAR_WIDTH : Math.min(BAR_WIDTH, Math.floor((bytes / size) * BAR_WIDTH));
  const bar = `${'='.repeat(done)}${done < BAR_WIDTH ? '>' : ''}`.padEnd(BAR_WIDTH);
  const seconds = (nowMs - (sinceMs ?? nowMs)) / 1000;
  const speed = seconds > 0.2 ? `  ${humanSize(bytes / seconds)}/s` : '';
  return `${moving} [${bar}] ${humanSize(bytes)}/${humanSize(size)}${speed}`;
}

function shortId(layer: Digest): string {
  return layer.slice(layer.indexOf(':') + 1).slice(0, 12);
}

/** One JSON object a line; of a layer that moves, ten a second. */
export class JsonProgress implements Progress {
  readonly #write: (line: string) => void;
  readonly #last = new Map<Digest, number>();

  constructor(write: (line: string) => void) {
    this.#write = write;
  }

  onLayer(event: LayerEvent): void {
    if (MOVING[event.phase]) {
      const nowMs = performance.now();
      if (nowMs - (this.#last.get(event.layer) ?? Number.NEGATIVE_INFINITY) < REDRAW_MS) return;
      this.#last.set(event.layer, nowMs);
    }
    this.#write(`${JSON.stringify(event)}\n`);
  }

  finish(): void {}
}
