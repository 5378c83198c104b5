/**
 * The syntax of one function, from the text that `Function.prototype.toString` gives: what kind of function it is, its
 * tree, and a source text that evaluates to it on its own.
 *
 * The text of an arrow function, a function expression or a declaration is an expression; that of a method, getter or
 * setter is a piece of an object literal or of a class and is put into an object literal again.
 *
 * Strictness is not part of the text. V8 shows it for ordinary functions (a sloppy one has an own property `caller`), and
 * these keep it. For arrow functions, methods and async functions nothing shows it: they become strict (as in every
 * class and ES module), and sloppy only where their text is not valid strict code.
 *
 * This file loads the parser: require it at first use.
 */
import { parse } from 'acorn';
import type { Node, Program } from 'acorn';

/** A node of the tree with its fields open to inspection. */
export type SyntaxNode = Node & Record<string, unknown>;

/** A function whose text was understood. */
export interface FunctionSyntax {
  readonly kind: 'arrow' | 'function' | 'method' | 'class';
  readonly generator: boolean;
  /** Source text of a script whose value is the function. */
  readonly source: string;
  /** The whole tree, for scope analysis. */
  readonly program: Program;
  /** The node of the function in it. */
  readonly node: SyntaxNode;
}

/** Code that the text of a function may stand in, and where the function is found then. */
interface Place {
  readonly before: string;
  readonly after: string;
  find(expression: SyntaxNode): SyntaxNode;
}

function first(list: unknown): SyntaxNode {
  return (list as SyntaxNode[])[0] as SyntaxNode;
}

function member(node: SyntaxNode, ...path: string[]): SyntaxNode {
  return path.reduce((at, field) => at[field] as SyntaxNode, node);
}

/** What the first statement of a method returns. */
function returned(method: SyntaxNode): SyntaxNode {
  return member(first(member(method, 'value', 'body')['body']), 'argument');
}

const PLACES: readonly Place[] = [
  // Arrow functions, expressions and declarations: inside a method, so that an arrow function may say `new.target` and
  // `super` here and be refused by these names.
  {
    before: '({ place() { return (',
    after: '\n) } })',
    find: (object) => returned(first(object['properties'])),
  },
  // Methods, getters and setters.
  { before: '({ ', after: '\n})', find: (object) => first(object['properties']) },
  // Private methods.
  { before: '(class { ', after: '\n})', find: (made) => first(member(made, 'body')['body']) },
  // Arrow functions that call `super()`.
  {
    before: '(class extends Object { constructor() { return (',
    after: '\n) } })',
    find: (made) => returned(first(member(made, 'body')['body'])),
  },
];

/**
 * Understands the text of a function.
 *
 * @param text What `Function.prototype.toString` gave.
 * @param name The name of the function: a method gets it as its key, also where the key was computed.
 * @param sloppy The function is known to be sloppy.
 * @throws SyntaxError where the text is beyond the parser (newer syntax than it knows).
 */
export function parseFunction(text: string, name: string, sloppy: boolean): FunctionSyntax {
  let furthest: { error: unknown; reached: number } | undefined;
  for (const prologue of sloppy ? [''] : ["'use strict';", '']) {
    for (const place of PLACES) {
      const before = prologue + place.before;
      try {
        const program = parseScript(before + text + place.after);
        const statement = program.body.at(-1) as unknown as SyntaxNode;
        const found = place.find(statement['expression'] as SyntaxNode);
        return understood(program, found, { text, name, prologue, offset: before.length });
      } catch (error) {
        const reached = (error as { pos?: number }).pos ?? 0;
        // The place that took most of the text is the one whose complaint says something.
        if (furthest === undefined || reached - before.length > furthest.reached) {
          furthest = { error, reached: reached - before.length };
        }
      }
    }
  }
  throw furthest?.error;
}

function parseScript(code: string): Program {
  return parse(code, {
    ecmaVersion: 'latest',
    sourceType: 'script',
    ranges: true,
    // What a lone function may not say is let through here, to be refused with its name.
    allowImportExportEverywhere: true,
    checkPrivateFields: false,
  });
}

interface Found {
  text: string;
  name: string;
  prologue: string;
  /** Where the text begins in the parsed code. */
  offset: number;
}

function understood(
  program: Program,
  found: SyntaxNode,
  { text, name, prologue, offset }: Found,
): FunctionSyntax {
  const isMember = found.type === 'Property' || found.type === 'MethodDefinition';
  const node = isMember ? (found['value'] as SyntaxNode) : found;
  const generator = node['generator'] === true;
  if (!isMember) {
    const kind = KINDS[node.type] ?? 'function';
    return { kind, generator, source: `${prologue}(${text})`, program, node };
  }
  // The name of an accessor begins with what it is.
  const isAccessor = found['kind'] === 'get' || found['kind'] === 'set';
  const key = JSON.stringify(isAccessor ? name.slice('get '.length) : name);
  const method = `${node['async'] === true ? 'async ' : ''}${key}${text.slice(node.start - offset)}`;
  return { kind: 'method', generator, source: `${prologue}({ ${method} })[${key}]`, program, node };
}

const KINDS: Record<string, FunctionSyntax['kind']> = {
  ArrowFunctionExpression: 'arrow',
  ClassExpression: 'class',
};
