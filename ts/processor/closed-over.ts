/**
 * What a function closes over: all that its code uses and a bare worker thread does not have.
 *
 * These are free names (references that no declaration inside the function answers and that are no global of a worker),
 * `this`, `super`, `arguments` and `new.target` of the function around an arrow function, `super` of a method, private names of
 * a class around it, `import.meta`, and imports relative to its file. Resolution of names is that of `eslint-scope`.
 *
 * Not seen, because the text does not show it: the code of a direct `eval` and the names it declares; names in the body of
 * `with`, which may be properties; a variable with the name of a global (`const crypto = require('node:crypto')` hides the
 * global `crypto`, which is what the worker uses). A function declared in a block counts as declared there only.
 *
 * This file loads the scope analysis: require it at first use.
 */
import { analyze } from 'eslint-scope';
import type { FunctionSyntax, SyntaxNode } from './function-syntax';
import { workerGlobals } from './worker-globals';

/** What the worker's bootstrap gives to a function besides the globals of a bare thread. */
const PROVIDED = 'require';

/** Names of what `syntax` closes over, each once, in the order of the text; empty where it stands alone. */
export function closedOver(syntax: FunctionSyntax): string[] {
  const found = new Map<string, number>();
  const note = (name: string, position: number): void => {
    found.set(name, Math.min(position, found.get(name) ?? Infinity));
  };
  const typeofOperands = walk(syntax, note);
  noteFreeNames(syntax, typeofOperands, note);
  return [...found].toSorted((a, b) => a[1] - b[1]).map(([name]) => name);
}

type Note = (name: string, position: number) => void;

/** What surrounds a node on the way down from the function. */
interface Surroundings {
  /** Inside a nested function, field or static block, which has `this`, `super` and `new.target` of its own. */
  readonly nested: boolean;
  /** The private names that classes inside the function declare. */
  readonly privateNames: ReadonlySet<string>;
}

/** Notes all that is closed over and no name to resolve; returns the identifiers that `typeof` only looks at. */
function walk({ kind, node: root }: FunctionSyntax, note: Note): ReadonlySet<unknown> {
  const typeofOperands = new Set<unknown>();
  const open: [SyntaxNode, Surroundings][] = [[root, { nested: false, privateNames: new Set() }]];
  for (let next = open.pop(); next !== undefined; next = open.pop()) {
    const [node, around] = next;
    noteKeyword(node, around, kind, note);
    if (node.type === 'UnaryExpression' && node['operator'] === 'typeof')
      typeofOperands.add(node['argument']);
    for (const [field, value] of Object.entries(node)) {
      for (const child of Array.isArray(value) ? (value as unknown[]) : [value]) {
        if (isNode(child)) open.push([child, surroundings(node, field, node === root, around)]);
      }
    }
  }
  return typeofOperands;
}

function noteKeyword(node: SyntaxNode, around: Surroundings, kind: FunctionSyntax['kind'], note: Note): void {
  if (node.type === 'ThisExpression') {
    if (kind === 'arrow' && !around.nested) note('this', node.start);
  } else if (node.type === 'Super') {
    if (!around.nested) note('super', node.start);
  } else if (node.type === 'MetaProperty') {
    if ((node['meta'] as SyntaxNode)['name'] === 'import') note('import.meta', node.start);
    else if (kind === 'arrow' && !around.nested) note('new.target', node.start);
  } else if (node.type === 'PrivateIdentifier') {
    const name = node['name'] as string;
    if (!around.privateNames.has(name)) note(`#${name}`, node.start);
  } else if (node.type === 'ImportExpression') {
    const specifier = (node['source'] as SyntaxNode)['value'];
    // It would be looked up beside the worker's file, and not beside the file that the function was written in.
    if (typeof specifier === 'string' && /^\.{1,2}\//.test(specifier)) {
      note(`import(${JSON.stringify(specifier)})`, node.start);
    }
  }
}

/** What surrounds the child in `field` of `node`. */
function surroundings(node: SyntaxNode, field: string, isRoot: boolean, around: Surroundings): Surroundings {
  switch (node.type) {
    case 'FunctionDeclaration':
    case 'FunctionExpression':
      return isRoot ? around : { ...around, nested: true };
    case 'StaticBlock':
      return { ...around, nested: true };
    case 'PropertyDefinition':
      return field === 'value' ? { ...around, nested: true } : around;
    case 'ClassBody':
      return { ...around, privateNames: new Set([...around.privateNames, ...declaredPrivately(node)]) };
    default:
      return around;
  }
}

function declaredPrivately(body: SyntaxNode): string[] {
  return (body['body'] as SyntaxNode[])
    .map((member) => member['key'] as SyntaxNode | undefined)
    .filter((key) => key?.type === 'PrivateIdentifier')
    .map((key) => key?.['name'] as string);
}

function isNode(value: unknown): value is SyntaxNode {
  return typeof value === 'object' && value !== null && typeof (value as SyntaxNode).type === 'string';
}

function noteFreeNames(
  { program, node }: FunctionSyntax,
  typeofOperands: ReadonlySet<unknown>,
  note: Note,
): void {
  const scopes = analyze(program as Parameters<typeof analyze>[0], {
    ecmaVersion: 2025,
    sourceType: 'script',
    ignoreEval: true,
  }).acquireAll(node as unknown as Parameters<typeof analyze>[0]);
  const outermost = scopes?.[0];
  if (outermost === undefined) return;
  for (const reference of outermost.through) {
    const { name } = reference.identifier as { name: string };
    const onlyLookedAt = typeofOperands.has(reference.identifier) && name !== 'arguments';
    const isInWith = (reference as { tainted?: boolean }).tainted === true;
    if (!onlyLookedAt && !isInWith && name !== PROVIDED && !workerGlobals().has(name)) {
      note(name, startOf(reference.identifier));
    }
  }
  // A declaration has its name in the scope around it: to assign to it is to change a variable that stays behind.
  if (outermost.type === 'function-expression-name') {
    const write = outermost.variables[0]?.references.find((reference) => reference.isWrite());
    if (write !== undefined) note((write.identifier as { name: string }).name, startOf(write.identifier));
  }
}

function startOf(node: unknown): number {
  return (node as SyntaxNode).start;
}
