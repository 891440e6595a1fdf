/** What print-svg.ts uses of dagre 3.1.3: its own types name files without their endings, which Node's resolution does not find. */
declare module '@dagrejs/dagre' {
  export class Graph {
    constructor(options: { readonly compound: boolean });
    setGraph(label: object): void;
    setDefaultEdgeLabel(label: () => object): void;
    setNode(id: string, label: object): void;
    setParent(id: string, parent: string): void;
    setEdge(from: string, to: string, label: object): void;
    hasNode(id: string): boolean;
    graph(): unknown;
    node(id: string): unknown;
    edge(from: string, to: string): unknown;
  }
  export function layout(graph: Graph): void;
}
