/** Changes of a layer as a tree of directories, with sums; small and deep things are put together. */
import type { LayerChange } from '../image/layer-changes.ts';
import { shownName } from '../image/tar/bytes.ts';
import type { Paint } from './colours.ts';
import { humanSize } from './table.ts';

export interface TreeShape {
  /** Levels of directories that are shown. */
  readonly depth: number;
  /** Entries of a directory that are shown, the largest first. */
  readonly entries: number;
  readonly paint: Paint;
}

interface Node {
  readonly name: string;
  readonly children: Map<string, Node>;
  /** What happened to the entry itself; undefined for a directory on the way. */
  change: LayerChange | undefined;
  bytes: number;
  hiddenBytes: number;
  count: number;
}

const MARKS = { added: '+', changed: '~', removed: '-' } as const;

/** One line each, without line ends. */
export function changeTree(changes: readonly LayerChange[], shape: TreeShape): string[] {
  const root = newNode('');
  for (const change of changes) insert(root, change);
  return [...lines(root, shape, '', 1)];
}

function newNode(name: string): Node {
  return { name, children: new Map(), change: undefined, bytes: 0, hiddenBytes: 0, count: 0 };
}

function insert(root: Node, change: LayerChange): void {
  let at = root;
  for (const name of shownName(change.path).split('/')) {
    let child = at.children.get(name);
    if (child === undefined) {
      child = newNode(name);
      at.children.set(name, child);
    }
    child.bytes += change.sizeBytes;
    child.hiddenBytes += change.hiddenBytes;
    child.count++;
    at = child;
  }
  at.change = change;
}

function* lines(node: Node, shape: TreeShape, indent: string, level: number): Generator<string> {
  const sorted = [...node.children.values()].sort(
    (a, b) => weight(b) - weight(a) || (a.name < b.name ? -1 : 1),
  );
  const shown = sorted.slice(0, shape.entries);
  const rest = sorted.slice(shape.entries);
  for (const [i, child] of shown.entries()) {
    const last = i === shown.length - 1 && rest.length === 0;
    yield `${indent}${last ? '└── ' : '├── '}${describe(child, shape, level)}`;
    if (level < shape.depth) yield* lines(child, shape, `${indent}${last ? '    ' : '│   '}`, level + 1);
  }
  if (rest.length === 0) return;
  const bytes = rest.reduce((sum, child) => sum + child.bytes, 0);
  yield `${indent}└── ${shape.paint('quiet', `${rest.length} more, ${humanSize(bytes)}`)}`;
}

function weight({ bytes, hiddenBytes }: Node): number {
  return bytes + hiddenBytes;
}

function describe(node: Node, { depth, paint }: TreeShape, level: number): string {
  const { name, change, children, bytes, hiddenBytes, count } = node;
  const kind = change?.kind ?? 'changed';
  const folder = change?.isDirectory || children.size > 0 ? '/' : '';
  const facts = [
    ...(bytes === 0 ? [] : [humanSize(bytes)]),
    ...(level === depth && children.size > 0 ? [`${count} entries`] : []),
    ...(hiddenBytes === 0 ? [] : [`hides ${humanSize(hiddenBytes)}`]),
  ];
  return `${paint(kind, `${MARKS[kind]} ${name}${folder}`)}  ${paint('quiet', facts.join(', '))}`.trimEnd();
}
