"""The literature that a methods section may cite, and its numbering in the order in which it is cited."""

from dataclasses import dataclass, field

__all__ = ["REFERENCES", "Citations"]

REFERENCES = {
    "adam": "Kingma DP, Ba J. Adam: a method for stochastic optimization. ICLR 2015. arXiv:1412.6980",
    "adamw": "Loshchilov I, Hutter F. Decoupled weight decay regularization. ICLR 2019. arXiv:1711.05101",
    "averaging": "Polyak BT, Juditsky AB. Acceleration of stochastic approximation by averaging. SIAM J Control Optim "
    "1992;30:838-855. doi:10.1137/0330046",
    "bland_altman": "Bland JM, Altman DG. Statistical methods for assessing agreement between two methods of clinical "
    "measurement. Lancet 1986;327:307-310. doi:10.1016/S0140-6736(86)90837-8",
    "bootstrap": "Field CA, Welsh AH. Bootstrapping clustered data. J R Stat Soc B 2007;69:369-390. "
    "doi:10.1111/j.1467-9868.2007.00593.x",
    "cl_dice": "Shit S, Paetzold JC, Sekuboyina A, et al. clDice - a novel topology-preserving loss function for "
    "tubular structure segmentation. CVPR 2021. doi:10.1109/CVPR46437.2021.01629",
    "claim_2020": "Mongan J, Moy L, Kahn CE. Checklist for Artificial Intelligence in Medical Imaging (CLAIM): a guide "
    "for authors and reviewers. Radiol Artif Intell 2020;2:e200029. doi:10.1148/ryai.2020200029",
    "claim_2024": "Tejani AS, Klontzas ME, Gatti AA, et al. Checklist for Artificial Intelligence in Medical Imaging "
    "(CLAIM): 2024 update. Radiol Artif Intell 2024;6:e240300. doi:10.1148/ryai.240300",
    "cosine": "Loshchilov I, Hutter F. SGDR: stochastic gradient descent with warm restarts. ICLR 2017. "
    "arXiv:1608.03983",
    "deep_supervision": "Lee CY, Xie S, Gallagher P, Zhang Z, Tu Z. Deeply-supervised nets. AISTATS 2015. "
    "arXiv:1409.5185",
    "dice": "Dice LR. Measures of the amount of ecologic association between species. Ecology 1945;26:297-302. "
    "doi:10.2307/1932409",
    "dice_loss": "Milletari F, Navab N, Ahmadi SA. V-Net: fully convolutional neural networks for volumetric medical "
    "image segmentation. 3DV 2016. doi:10.1109/3DV.2016.79",
    "expanded": "Hesterberg TC. What teachers should know about the bootstrap. Am Stat 2015;69:371-386. "
    "doi:10.1080/00031305.2015.1089789",
    "focal": "Lin TY, Goyal P, Girshick R, He K, Dollár P. Focal loss for dense object detection. ICCV 2017. "
    "doi:10.1109/ICCV.2017.324",
    "focal_tversky": "Abraham N, Khan NM. A novel focal Tversky loss function with improved attention U-Net for lesion "
    "segmentation. ISBI 2019. doi:10.1109/ISBI.2019.8759329",
    "generalised_dice": "Sudre CH, Li W, Vercauteren T, Ourselin S, Cardoso MJ. Generalised Dice overlap as a deep "
    "learning loss function for highly unbalanced segmentations. DLMIA 2017. doi:10.1007/978-3-319-67558-9_28",
    "hausdorff": "Huttenlocher DP, Klanderman GA, Rucklidge WJ. Comparing images using the Hausdorff distance. IEEE "
    "Trans Pattern Anal Mach Intell 1993;15:850-863. doi:10.1109/34.232073",
    "hausdorff_loss": "Karimi D, Salcudean SE. Reducing the Hausdorff distance in medical image segmentation with "
    "convolutional neural networks. IEEE Trans Med Imaging 2020;39:499-513. doi:10.1109/TMI.2019.2930068",
    "holm": "Holm S. A simple sequentially rejective multiple test procedure. Scand J Stat 1979;6:65-70.",
    "kruskal": "Kruskal WH, Wallis WA. Use of ranks in one-criterion variance analysis. J Am Stat Assoc "
    "1952;47:583-621. doi:10.1080/01621459.1952.10483441",
    "mann_whitney": "Mann HB, Whitney DR. On a test of whether one of two random variables is stochastically larger "
    "than the other. Ann Math Stat 1947;18:50-60. doi:10.1214/aoms/1177730491",
    "metrics_reloaded": "Maier-Hein L, Reinke A, Godau P, et al. Metrics reloaded: recommendations for image analysis "
    "validation. Nat Methods 2024;21:195-212. doi:10.1038/s41592-023-02151-z",
    "monai": "Cardoso MJ, Li W, Brown R, et al. MONAI: an open-source framework for deep learning in healthcare. 2022. "
    "arXiv:2211.02701",
    "n4": "Tustison NJ, Avants BB, Cook PA, et al. N4ITK: improved N3 bias correction. IEEE Trans Med Imaging "
    "2010;29:1310-1320. doi:10.1109/TMI.2010.2046908",
    "nnunet": "Isensee F, Jaeger PF, Kohl SAA, Petersen J, Maier-Hein KH. nnU-Net: a self-configuring method for deep "
    "learning-based biomedical image segmentation. Nat Methods 2021;18:203-211. doi:10.1038/s41592-020-01008-z",
    "nsd": "Nikolov S, Blackwell S, Zverovitch A, et al. Clinically applicable segmentation of head and neck anatomy "
    "for radiotherapy: deep learning algorithm development and validation study. J Med Internet Res 2021;23:e26151. "
    "doi:10.2196/26151",
    "one_cycle": "Smith LN, Topin N. Super-convergence: very fast training of neural networks using large learning "
    "rates. 2018. arXiv:1708.07120",
    "pytorch": "Paszke A, Gross S, Massa F, et al. PyTorch: an imperative style, high-performance deep learning "
    "library. NeurIPS 2019. arXiv:1912.01703",
    "resenc": "Isensee F, Wald T, Ulrich C, et al. nnU-Net revisited: a call for rigorous validation in 3D medical "
    "image segmentation. MICCAI 2024. arXiv:2404.09556",
    "scikit_image": "van der Walt S, Schönberger JL, Nunez-Iglesias J, et al. scikit-image: image processing in "
    "Python. PeerJ 2014;2:e453. doi:10.7717/peerj.453",
    "segresnet": "Myronenko A. 3D MRI brain tumor segmentation using autoencoder regularization. BrainLes 2018. "
    "doi:10.1007/978-3-030-11726-9_28",
    "simpleitk": "Lowekamp BC, Chen DT, Ibáñez L, Blezek D. The design of SimpleITK. Front Neuroinform 2013;7:45. "
    "doi:10.3389/fninf.2013.00045",
    "tversky": "Salehi SSM, Erdogmus D, Gholipour A. Tversky loss function for image segmentation using 3D fully "
    "convolutional deep networks. MLMI 2017. doi:10.1007/978-3-319-67389-9_44",
    "unet": "Ronneberger O, Fischer P, Brox T. U-Net: convolutional networks for biomedical image segmentation. MICCAI "
    "2015. doi:10.1007/978-3-319-24574-4_28",
    "unet_3d": "Çiçek Ö, Abdulkadir A, Lienkamp SS, Brox T, Ronneberger O. 3D U-Net: learning dense volumetric "
    "segmentation from sparse annotation. MICCAI 2016. doi:10.1007/978-3-319-46723-8_49",
    "wilcoxon": "Wilcoxon F. Individual comparisons by ranking methods. Biometrics Bull 1945;1:80-83. "
    "doi:10.2307/3001968",
}


@dataclass
class Citations:
    """What a text cites, numbered as it comes.

    Args:
        cited: References so far, first cited first.
    """

    cited: list[str] = field(default_factory=list)

    def __call__(self, *keys: str) -> str:
        """The mark of some references of `REFERENCES`: [3] or [3, 4]."""
        return self.literally(*(REFERENCES[key] for key in keys))

    def literally(self, *texts: str) -> str:
        """The mark of references by their own text."""
        for text in texts:
            if text not in self.cited:
                self.cited.append(text)
        return f"[{', '.join(str(1 + self.cited.index(text)) for text in texts)}]"

    def section(self) -> str:
        """The list of references in Markdown."""
        return "\n".join(f"{place}. {text}" for place, text in enumerate(self.cited, start=1))
