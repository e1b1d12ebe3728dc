import { mount } from 'svelte';
import { rendering } from '../src';
import Gallery from './Gallery.svelte';

rendering.fetch();
const target = document.getElementById('gallery');
if (target) mount(Gallery, { target });
