/** LibTorch for CUDA 13.0, as its publishers have it on Python's index, with the libraries of NVIDIA that it opens. */
export const CU130_VERSION = '2.14.1'

/** Name, BLAKE2b-256 (which makes the address), SHA-256, bytes. */
type Row = readonly [name: string, blake2: string, sha256: string, bytes: number]

export const CU130_WHEELS: readonly Row[] = [
  [
    'torch-2.14.1-cp311-cp311-manylinux_2_28_x86_64.whl',
    'aa4f7af6fbada912b3023cc79b6ab30f89234b258a9a373880ea52ed914a2ae9',
    '305a61f61f35f128579f299c5bd33d475f6a01c6307336139632e30856c4854d',
    554_581_699,
  ],
  [
    'nvidia_cublas-13.1.1.3-py3-none-manylinux_2_27_x86_64.whl',
    '3bcd154ca20c38269e05eff77c1464e6c1da89f50a6390b565e9d82e06bc11e1',
    '37936a16db8fe4ac1f065c2139360608a543a09275cb1a1af612e08cfa065436',
    423_138_758,
  ],
  [
    'nvidia_cuda_cupti-13.0.85-py3-none-manylinux_2_25_x86_64.whl',
    '336d737d164b4837a9bbd202f5ae3078975f0525a55730fe871d8ed4e3b952b0',
    '4eb01c08e859bf924d222250d2e8f8b8ff6d3db4721288cf35d14252a4d933c8',
    10_715_597,
  ],
  [
    'nvidia_cuda_nvrtc-13.0.88-py3-none-manylinux2010_x86_64.manylinux_2_12_x86_64.whl',
    'c368483a78f5e8f31b08fb1bb671559968c0ca3a065ac7acabfc7cee55214fd6',
    'ad9b6d2ead2435f11cbb6868809d2adeeee302e9bb94bcf0539c7a40d80e8575',
    90_215_200,
  ],
  [
    'nvidia_cudnn_cu13-9.24.0.43-py3-none-manylinux_2_27_x86_64.whl',
    '5cba791cffd048fe5b044e620df55267e3e95c0e6e07d50b41e377c03dfc910f',
    '71f181cd810e90f9b6023b01186fe82d13d65f0ec098581ee201d39fad769e4b',
    553_099_438,
  ],
  [
    'nvidia_cufft-12.0.0.61-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl',
    'a82f7b57e29836ea8714f81e9898409196f47d772d5ddedddf1592eadb8ab743',
    '6c44f692dce8fd5ffd3e3df134b6cdb9c2f72d99cf40b62c32dde45eea9ddad3',
    214_085_489,
  ],
  [
    'nvidia_cufile-1.15.1.6-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl',
    '3f704f193de89a48b71714e74602ee14d04e4019ad36a5a9f20c425776e72cd6',
    '08a3ecefae5a01c7f5117351c64f17c7c62efa5fffdbe24fc7d298da19cd0b44',
    1_223_672,
  ],
  [
    'nvidia_curand-10.4.0.35-py3-none-manylinux_2_27_x86_64.whl',
    'a59fbe0a41ca4a4917abf5cb9ae0daff1a6060cc5de950aec0396de9f3b52bc5',
    '1aee33a5da6e1db083fe2b90082def8915f30f3248d5896bcec36a579d941bfc',
    59_544_258,
  ],
  [
    'nvidia_cusolver-12.0.4.66-py3-none-manylinux_2_27_x86_64.whl',
    '5f67cba3777620cdacb99102da4042883709c41c709f4b6323c10781a9c3aa34',
    '0a759da5dea5c0ea10fd307de75cdeb59e7ea4fcb8add0924859b944babf1112',
    200_941_980,
  ],
  [
    'nvidia_cusparse-12.6.3.3-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl',
    'fa18623c77619c31d62efd55302939756966f3ecc8d724a14dab2b75f1508850',
    '2b3c89c88d01ee0e477cb7f82ef60a11a4bcd57b6b87c33f789350b59759360b',
    145_942_937,
  ],
  [
    'nvidia_cusparselt_cu13-0.8.1-py3-none-manylinux2014_x86_64.whl',
    '347d2661f2fb3ac4302f3a246f5fc030213ac60c1fe0bce84f9783dbd831dbb7',
    '786ce87568c303fadb5afcc7102d454cd3040d75f6f8626f5db460d1871f4dd0',
    170_148_586,
  ],
  [
    'nvidia_nccl_cu13-2.30.7-py3-none-manylinux_2_18_x86_64.whl',
    '3f34c500f90c7ae641b8e0f98965b36b8a7ac79cc8b296e8d251fe3eb592ee54',
    'cefa7fdb9710efd0f39c5f1be1d61ff6fc9a996c451265bd7fbdcf9455ed4b50',
    215_965_170,
  ],
  [
    'nvidia_nvjitlink-13.4.92-py3-none-manylinux2010_x86_64.manylinux_2_12_x86_64.whl',
    '1d6beef7a9e32872b8f41e145bf10cddc9af26e153c338852811fe9a9baddf9e',
    'e0391f24ed94ec879b84e3da4d4ec320c879aff681f2c7a638462f7199284323',
    42_452_378,
  ],
  [
    'nvidia_nvshmem_cu13-3.4.5-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl',
    '3c35a9bf80a609e74e3b000fef598933235c908fcefcef9026042b8e6dfde2a9',
    '290f0a2ee94c9f3687a02502f3b9299a9f9fe826e6d0287ee18482e78d495b80',
    60_412_546,
  ],
  [
    'nvidia_nvtx-13.0.85-py3-none-manylinux1_x86_64.manylinux_2_5_x86_64.whl',
    'c2f3d86c845465a2723ad7e1e5c36dcd75ddb82898b3f53be47ebd429fb2fa5d',
    '4936d1d6780fbe68db454f5e72a42ff64d1fd6397df9f363ae786930fd5c1cd4',
    148_047,
  ],
  [
    'nvidia_cuda_runtime-13.0.96-py3-none-manylinux2014_x86_64.manylinux_2_17_x86_64.whl',
    '2e24d1558f3b68b1d26e706813b1d10aa1d785e4698c425af8db8edc3dced472',
    '7f82250d7782aa23b6cfe765ecc7db554bd3c2870c43f3d1821f1d18aebf0548',
    2_243_632,
  ],
]

/** Where Python's index keeps a file: by its content. */
export function addressOf([name, blake2]: Row): string {
  return `https://files.pythonhosted.org/packages/${blake2.slice(0, 2)}/${blake2.slice(2, 4)}/${blake2.slice(4)}/${name}`
}
