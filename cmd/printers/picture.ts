/** -o mermaid, dot and svg: the picture in a language that other programs draw. */
import type { Diagram } from '../../core/diagram/diagram.ts';
import type { PictureFormat } from '../cli/request.ts';

/** Each printer is loaded when it is asked for: the layout of SVG is needed for SVG alone. */
export async function printPicture(diagram: Diagram, format: PictureFormat): Promise<string> {
  switch (format) {
    case 'mermaid':
      return (await import('../../core/diagram/print-mermaid.ts')).printMermaid(diagram);
    case 'dot':
      return (await import('../../core/diagram/print-dot.ts')).printDot(diagram);
    case 'svg':
      return (await import('../../core/diagram/print-svg.ts')).printSvg(diagram);
  }
}

/** A picture may be wider than a terminal; more boxes than this nobody looks at. */
export const mostEndpointsOfPicture = 40;
