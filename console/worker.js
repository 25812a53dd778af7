/** Lays large flows out beside the page, which stays quick meanwhile. */

import { arrange } from './arrange.js';
import { measurer } from './text.js';

onmessage = ({ data: { request, family } }) => {
  const scene = arrange(request, measurer(family));
  postMessage(scene, [scene.points.buffer, scene.starts.buffer, scene.ends.buffer]);
};
